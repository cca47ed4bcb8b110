"""Geometry in, numbers and geometry out. Metres, square metres; stored shapes are EPSG:4490 lon/lat.

No database, no queue, no network, no clock, no settings. A shape with no CRS, or two with different ones, is an error.
"""
