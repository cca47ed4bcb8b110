"""The kit finds what is wrong with a system, each fault by the check that names it, and nothing in the reference."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest

from push.conformance.checks import Level, Outcome, checks
from tests.push import systems
from tests.push.systems import KEY, PACE, System, run

PUSH = {"level": Level.PUSH}
# What each check finds, and the system that breaks this rule and no other.
WRONG = {
    "signature.bad": System(systems.TakesAnySignature, **PUSH),
    "body.altered": System(systems.VerifiesWhatItWroteAnew, **PUSH),
    "timestamp.outside": System(systems.HasNoClock, **PUSH),
    "timestamp.within": System(systems.AllowsAMinute, **PUSH),
    "signature.versions": System(systems.ReadsTheFirstSignature, **PUSH),
    "rotation.overlap": System(systems.LooksForTheNewSignature, **PUSH),
    "rotation.new": System(secrets=(KEY,), **PUSH),
    "unknown_type": System(systems.FailsOnUnknownTypes, **PUSH),
    "duplicate.accepted": System(systems.CallsADuplicateAConflict, **PUSH),
    "out_of_order": System(systems.WantsNumbersInOrder, **PUSH),
    "large": System(systems.TakesOneMegabyte, pace=replace(PACE, plots=2000, corners=4), **PUSH),
    # With time enough for the large plan on a busy machine.
    "in_time": System(
        systems.WorksBeforeAnswering,
        systems.OneAtATime,
        pace=replace(PACE, timeout_s=4, patience_s=10, plots=1),
    ),
    "signature.effect": System(systems.KeepsBeforeVerifying),
    "duplicate.effect": System(systems.ForgetsWhatItHad, systems.MakesAKeyPerBatch),
    "journal.gap": System(client=systems.NeverPulls),
    "journal.pull": System(client=systems.NeverPulls, level=Level.PULL),
    "answers.valid": System(client=systems.NamesNoPoint),
    "client.key": System(client=systems.HasOneKey),
    "client.retry": System(client=systems.GivesUpAtAFailure),
    # So long that no busy machine makes a client wait by chance.
    "client.busy": System(client=systems.DoesNotWait, pace=replace(systems.PACE, retry_after_s=30)),
    "client.lost": System(client=systems.GivesUpAtSilence),
    "client.same_key": System(client=systems.MakesAKeyPerTry),
    "client.redirect": System(client=systems.FollowsRedirects),
    "client.refused": System(client=systems.InsistsOnWhatWasRefused),
    "answers.batch": System(client=systems.SendsOneBatch, pace=replace(PACE, plots=5001)),
    "journal.ack": System(client=systems.NeverAcknowledges),
    "journal.proof": System(client=systems.HashesWithoutLineFeeds),
}
MORE = {
    "a stranger": System(secrets=("whsec_c3RyYW5nZXJzdHJhbmdlcnN0cmFuZ2VyMTIz",)),
    "no key": System(client=systems.HasNoKey),
    "pull": System(level=Level.PULL),
    "push": System(level=Level.PUSH),
}


@pytest.fixture(scope="module")
def findings(settings):
    """Every system at once: most of a run is waiting."""
    given = {**WRONG, **MORE}
    with ThreadPoolExecutor(len(given)) as pool:
        runs = {name: pool.submit(run, system, settings) for name, system in given.items()}
    return {name: one.result()[0] for name, one in runs.items()}


def failed(findings):
    return {one.check.id: one.evidence for one in findings if one.outcome is Outcome.FAILED}


@pytest.mark.parametrize("check", WRONG)
def test_a_wrong_system_is_found_by_the_check_that_names_it(findings, check):
    assert list(failed(findings[check])) == [check], failed(findings[check])


def test_every_check_has_its_wrong_system():
    assert set(checks()) - set(WRONG) == {"signature.good"}


def test_a_receiver_that_takes_nothing_is_told_so_and_no_more(findings):
    assert list(failed(findings["a stranger"])) == ["signature.good"]
    assert {one.outcome for one in findings["a stranger"]} == {Outcome.FAILED, Outcome.NOT_SHOWN}


def test_without_keys_no_answer_counts(findings):
    assert list(failed(findings["no key"])) == ["client.key"]


@pytest.mark.parametrize("level", ["pull", "push"])
def test_the_reference_passes_as_a_system_of_one_direction(findings, level):
    assert {one.outcome for one in findings[level]} == {Outcome.PASSED}, failed(findings[level])
