"""The three addresses of ServiceMobility and the reading ones: parse, call a service, answer.

No query and no rule stands here. Called by Django through bookjob_site.
"""
