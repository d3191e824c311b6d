"""One result as a terminal table, JSON and an HTML page. May import search and below."""
