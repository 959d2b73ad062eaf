"""The cookbook: pages about the procedures for those who call them, made of what the code says of itself."""
