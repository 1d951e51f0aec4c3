"""A request that is not whole yet."""

import re

from bookjob_site.worker.pace import Pace

# A head that is larger is left to the parser, which refuses it: a token of 256 KiB and the other headers fit.
LARGEST_HEAD = 512 * 1024
LARGEST_CHUNK_HEAD = 1024
LARGEST_TRAILER = 8192

HEAD_END = b"\r\n\r\n"
LENGTH = re.compile(rb"\r\ncontent-length:[ \t]*0*(\d+)[ \t]*\r\n", re.I)
CHUNKED = re.compile(rb"\r\ntransfer-encoding:[^\r]*chunked", re.I)
EXPECT = re.compile(rb"\r\nexpect:[ \t]*100-continue[ \t]*\r\n", re.I)
CHUNK = re.compile(rb"[0-9a-f]{1,8}", re.I)


class Inbox:
    """What has come of a request, and whether it is whole. Mistakes cost time only: the parser judges."""

    def __init__(self, text: bytes, largest_body: int) -> None:
        self.text = bytearray()
        self.largest_body = largest_body
        self.pace = Pace()
        self.body_at = 0  # where the body begins, once that is known
        self.next_at = 0  # how much has to be there: all of it, or up to the size of the next chunk
        self.is_chunked = self.is_whole = self.asks_to_go_on = False
        self.take(text)

    def take(self, data: bytes) -> None:
        before = len(self.text)
        self.text += data
        if self.body_at:
            self.pace.move(len(data))
        else:
            end = self.text.find(HEAD_END, max(0, before - len(HEAD_END)))
            if end < 0:
                self.is_whole = len(self.text) > LARGEST_HEAD
                return
            self._read_head(end + len(HEAD_END))
        self.is_whole = len(self.text) >= self.next_at and (not self.is_chunked or self._has_last_chunk())

    def _read_head(self, end: int) -> None:
        self.pace = Pace()
        self.body_at = self.next_at = end
        head = bytes(self.text[:end])
        length, self.is_chunked = LENGTH.search(head), CHUNKED.search(head) is not None
        if length and self.is_chunked:
            self.is_chunked = False  # two opinions on the length: the parser refuses that
        elif length:
            # One byte more than is taken: the service says that it is too large.
            self.next_at += min(int(length[1][:15]), self.largest_body + 1)
        self.asks_to_go_on = (self.is_chunked or length is not None) and EXPECT.search(head) is not None

    def _has_last_chunk(self) -> bool:
        """Also where there is no chunk, or too much of them: the parser says so."""
        while len(self.text) - self.body_at <= self.largest_body + LARGEST_HEAD:
            end = self.text.find(b"\r\n", self.next_at, self.next_at + LARGEST_CHUNK_HEAD)
            if end < 0:
                return len(self.text) > self.next_at + LARGEST_CHUNK_HEAD
            size = CHUNK.match(self.text, self.next_at, end)
            if not size:
                return True
            if not int(size[0], 16):
                return self.text.find(HEAD_END, end) >= 0 or len(self.text) - end > LARGEST_TRAILER
            self.next_at = end + 2 + int(size[0], 16) + 2
            if len(self.text) < self.next_at:
                return False
        return True
