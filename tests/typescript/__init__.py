"""The generated TypeScript client on a real server, in node and in a browser."""
