"""Uploads: bytes kept as sent, read in the child, columns guessed and then named by a person."""

import hashlib
import io
import json

import pytest
from sqlalchemy import select

from landready import files
from landready.db import ENGINE, Actor, Role, transaction
from landready.errors import Invalid, NotFound
from landready.plans import Upload
from landready.uploads import problems_of, receive, remap, reread
from tests import factories as make


@pytest.fixture
def office(database):
    with transaction(database, ENGINE) as session:
        return make.make_office(session)


@pytest.fixture
def session(database, office):
    with transaction(database, Actor(Role.OFFICE, office.id, None, office.city)) as session:
        yield session


def collection(*features, **members):
    written = [
        {"type": "Feature", "geometry": f["geometry"], "properties": f["properties"]}
        for f in features
    ]
    return {"type": "FeatureCollection", "features": written, **members}


def send(session, settings, office, content, *, kind="plots", filename="plan.geojson", **given):
    data = content if isinstance(content, bytes) else json.dumps(content).encode()
    return receive(
        session,
        settings,
        organisation_id=office.id,
        account_id=None,
        kind=kind,
        title=given.pop("title", "2026 plan"),
        filename=filename,
        stream=io.BytesIO(data),
        now=make.NOW,
        **given,
    )


def test_bytes_are_kept_under_a_name_of_our_own(session, settings, office):
    data = json.dumps(collection(make.feature(make.square(), 编号="A-1"))).encode()
    upload = send(session, settings, office, data, filename="../../etc/plan.geojson")
    assert "plan" not in upload.stored_as
    assert upload.stored_as.endswith(".geojson")
    assert upload.sha256 == hashlib.sha256(data).hexdigest()
    with files.opened(settings, upload.stored_as) as kept:
        assert kept.read() == data
    assert (settings.var / "files" / upload.stored_as).is_file()


def test_features_fields_and_guessed_columns_are_kept(session, settings, office, database):
    sent = send(
        session, settings, office, collection(make.feature(make.square(), 编号="A-1", xyz=3))
    )
    session.flush()
    session.expunge_all()
    upload = session.scalar(select(Upload).where(Upload.id == sent.id))
    assert upload.fields == ["编号", "xyz"]
    assert upload.mapping == {"code": "编号"}
    (feature,) = upload.features
    assert feature["row"] == 1
    assert feature["properties"] == {"编号": "A-1", "xyz": 3}
    assert feature["area_m2"] == pytest.approx(10_000, rel=0.01)


def test_problem_of_one_row_comes_back_with_row_and_place(session, settings, office):
    bowtie = make.square().exterior.coords
    crossed = [[bowtie[0], bowtie[2], bowtie[1], bowtie[3], bowtie[0]]]
    broken = {"geometry": {"type": "Polygon", "coordinates": crossed}, "properties": {"编号": "B"}}
    good = make.feature(make.square(500), 编号="A")
    upload = send(session, settings, office, collection(good, broken))
    (problem,) = problems_of(upload)
    assert (problem.severity, problem.row) == ("error", 2)
    assert problem.place == pytest.approx((make.LON, make.LAT), abs=0.01)
    assert problem.message
    assert [f["row"] for f in upload.features] == [1]


def test_file_that_cannot_be_read_is_kept_with_the_reason(session, settings, office):
    upload = send(session, settings, office, b'{"type": "FeatureColl')
    assert upload.features == []
    assert [p.severity for p in problems_of(upload)] == ["error"]
    with files.opened(settings, upload.stored_as) as kept:
        assert kept.read().startswith(b"{")


def test_what_postgresql_cannot_store_does_not_lose_the_upload(session, settings, office):
    text = json.dumps(collection(make.feature(make.square(), 编号="A"))).replace(
        '"A"', '"A\\u0000\\ud800", "n": NaN, "big": 1e999'
    )
    upload = send(
        session, settings, office, text.encode(), title="a\x00b", filename="a\x00.geojson"
    )
    session.refresh(upload)
    (feature,) = upload.features
    assert feature["properties"] == {"编号": "A?", "n": None, "big": None}
    assert upload.title == "ab"


@pytest.mark.parametrize(("size", "code"), [(0, "file_empty"), ((1 << 20) + 1, "file_too_large")])
def test_empty_and_oversized_files_are_refused_and_not_kept(session, settings, office, size, code):
    small = settings.model_copy(update={"web": settings.web.model_copy(update={"upload_mb": 1})})
    folder = settings.var / "files"
    before = set(folder.iterdir()) if folder.exists() else set()
    with pytest.raises(Invalid) as refused:
        send(session, small, office, b"x" * size)
    assert [p.code for p in refused.value.problems] == [code]
    assert set(folder.iterdir()) == before


def test_upload_without_title_is_refused(session, settings, office):
    with pytest.raises(Invalid):
        send(session, settings, office, b"{}", title="  ")


def test_object_store_by_address_keeps_and_returns_files(settings):
    elsewhere = settings.model_copy(
        update={"files": settings.files.model_copy(update={"url": "memory://bucket/uploads"})}
    )
    kept = files.store(elsewhere, io.BytesIO(b"abc"), filename="x.ZIP")
    assert kept.name.endswith(".zip")
    with files.on_disk(elsewhere, kept.name) as path:
        assert path.read_bytes() == b"abc"
    files.delete(elsewhere, kept.name)
    with pytest.raises(NotFound), files.opened(elsewhere, kept.name):
        pass


@pytest.mark.parametrize("name", ["../config.toml", "/etc/passwd", "", ".."])
def test_no_name_leads_out_of_the_folder(settings, name):
    with pytest.raises(NotFound), files.opened(settings, name):
        pass


def test_naming_the_crs_reads_the_kept_file_again(session, settings, office):
    bare = 'code,wkt\nA,"POLYGON((2215000 37432000,2215000 37432100,2215050 37432100,2215000 37432000))"'
    swapped = (
        bare.replace("2215000 37432000", "432000 2215000")
        .replace("2215000 37432100", "432100 2215000")
        .replace("2215050 37432100", "432100 2215050")
    )
    upload = send(session, settings, office, swapped.encode(), filename="plan.csv")
    assert [p.code for p in problems_of(upload)] == ["crs_missing"]
    reread(session, settings, upload, "EPSG:4546")
    assert upload.source_crs == "EPSG:4546"
    assert [f["properties"]["code"] for f in upload.features] == ["A"]
    assert problems_of(upload) == ()


def test_person_names_the_columns(session, settings, office):
    upload = send(
        session, settings, office, collection(make.feature(make.square(), 甲="A", 乙="B"))
    )
    assert upload.mapping == {}
    remap(session, upload, {"code": "乙", "name": "甲", "use": ""}, make.NOW)
    session.refresh(upload)
    assert upload.mapping == {"code": "乙", "name": "甲"}


@pytest.mark.parametrize(
    "mapping",
    [{"code": "丙"}, {"colour": "甲"}, {"code": "甲", "name": "甲"}, {"spare_capacity": "甲"}],
)
def test_mapping_that_does_not_fit_the_file_changes_nothing(session, settings, office, mapping):
    upload = send(
        session, settings, office, collection(make.feature(make.square(), 甲="A", 乙="B"))
    )
    with pytest.raises(Invalid):
        remap(session, upload, mapping, make.NOW)
    assert upload.mapping == {}
