"""Rival (c): pgbench with our very statements. Not written yet."""


class Floor:
    def __init__(self, *_):
        pass
