"""
JSON as it crosses HTTP: the same for the server and for the client.
"""
