"""The three addresses of ServiceMobility and those of other systems: parse, call a service or supply, answer.

No query and no rule stands here. Called by Django through bookjob_site.
"""
