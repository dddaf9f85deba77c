raise RuntimeError("no import for you")
