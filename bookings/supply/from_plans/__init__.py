"""Slots out of opening hours: templates, and schedules that reach on by themselves."""
