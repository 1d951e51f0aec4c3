"""The planner, *Ill or snow*, and the page *Ask the rules*."""
