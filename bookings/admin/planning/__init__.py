"""Who goes where and when: the planner, and the rules by which appointments are offered."""
