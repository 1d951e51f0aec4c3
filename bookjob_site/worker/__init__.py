"""gunicorn's threaded worker, in which only a whole request gets a thread, and no slow caller keeps one.

`threads.Worker` and `lines.Lines` are what gunicorn.conf.py names; nothing else is for others. `names` lists what is
used of gunicorn beyond its documentation: where one of these is missing, gunicorn.conf.py takes gunicorn's own worker.

| file | what is in it |
| --- | --- |
| `names` | the private names of gunicorn, and whether they are all there |
| `threads` | what a thread does: read a request, have it answered, wait a moment for the next |
| `watching` | what the thread does that watches all connections |
| `inbox`, `pace` | a request that is not whole yet; how slow is too slow |
| `sockets` | a connection that no thread waits for |
| `refusals`, `lines` | answers to what the service never sees; gunicorn's own log lines |

docs/security.md says what is left to the proxy.
"""
