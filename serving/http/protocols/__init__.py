"""Protocols of the HTTP server: each module reads the requests and writes the responses of one protocol."""
