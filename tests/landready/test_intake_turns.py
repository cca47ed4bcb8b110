"""Heavy files leave threads to everybody else."""

import threading

import pytest

from landready import intake
from landready.errors import Busy


def test_file_beyond_those_being_read_is_put_off(tmp_path, settings, monkeypatch):
    monkeypatch.setattr(intake, "_PATIENCE_S", 0.05)
    monkeypatch.setattr(intake, "_READERS", threading.BoundedSemaphore(1))
    file = tmp_path / "a.geojson"
    file.write_text('{"type": "FeatureCollection", "features": []}')

    def read():
        return intake.read_file(file, settings.upload, region=None, crs=None, kind="plots")

    with intake.turn(), pytest.raises(Busy):
        read()
    assert not read().accepted  # an empty file; the turn was given back
