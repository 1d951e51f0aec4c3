"""Slots out of opening hours: templates, and schedules, which are extended by themselves."""
