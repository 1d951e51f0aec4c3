"""What leaves this system: receivers hear of bookings, moves and cancellations. State is sent, not events.

receivers         connect, change, pause, resume, turn off, remove, send again: for commands and the desk
servicemobility   the one file that knows ServiceMobility's calls: from a work order to what has to stand there
webhooks          the same for systems that take Standard Webhooks
calls             the one file that calls out; nothing that serves requests may import it, nor what imports it
leader            one receiver at a time: reads our feed, picks what is due, records what became of it
witness           reads everything back and compares

Not here: tables (models), the feed and the public form of a work order (services), pages (admin). Called by the
commands deliver, verify_delivery, connect_servicemobility, add_webhook and remove_webhook. The desk and metrics read
the tables and call `receivers`, which never calls out: `receivers.pause(receiver, reason=…, by=…)`,
`receivers.resume(receiver, by=…)`, `receivers.send_again(delivery, by=…)`.
"""
