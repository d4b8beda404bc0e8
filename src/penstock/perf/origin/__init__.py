"""A local web server that misbehaves on command. Start reading at connection.py."""
