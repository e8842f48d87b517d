"""The configuration: YAML text in, everything the program is built from out, or every problem with file, line and column.

`loading` is the way in; `schema` describes for editors what it takes.
"""
