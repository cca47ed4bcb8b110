"""Pages and API: parses, calls one function, renders."""
