"""One file a method: each decides (plans) and never edits. May import measure and below."""
