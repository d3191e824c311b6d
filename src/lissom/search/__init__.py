"""From limits to a front: proposals, candidates, the run. May import recipe and below."""
