"""One result as a terminal table, JSON and a self-contained HTML page. May import search and below."""
