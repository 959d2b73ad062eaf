"""How each code block of the manual is held to be true: run by a test, or taken apart and compared with the code."""
