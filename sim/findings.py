"""What a comparison found in several runs, as one finding."""

from typing import Any

__all__ = ["merge"]

_SUMMED = ("compared", "event_count_difference", "samples")


def merge(findings: dict[str, dict[str, Any]]) -> dict[str, Any]:
    """Merge what `memtwin.sim.compare.compare` found in several runs, by their names.

    Of exact pairs: sums of counts and the first difference; of others: the largest errors, and what is outside.
    """
    if all("equal" in finding for finding in findings.values()):
        differences = (
            {"run": label, **finding["first_difference"]}
            for label, finding in findings.items()
            if finding["first_difference"] is not None
        )
        return {
            "equal": all(finding["equal"] for finding in findings.values()),
            "words": sum(finding["words"] for finding in findings.values()),
            "ticks": sum(finding["ticks"] for finding in findings.values()),
            "first_difference": next(differences, None),
            "compared": _largest("compared", {label: finding["compared"] for label, finding in findings.items()}),
        }
    # What a script reads is there also where nothing could be measured.
    errors: dict[str, Any] = {"event_time_s": None, "event_count_difference": None, "rms_between_events": {}}
    errors |= _largest("errors", {label: finding["errors"] for label, finding in findings.items()})
    return {
        "errors": errors,
        "within": all(finding["within"] for finding in findings.values()),
        "outside": [f"{label}: {why}" for label, finding in findings.items() for why in finding["outside"]],
    }


def _largest(name: str, found: dict[str, Any]) -> Any:
    """Merge values of one name, by run: the largest of numbers, the sum of counts, lists with the run of each entry."""
    found = {label: value for label, value in found.items() if value is not None}
    kinds = [*found.values()]
    if not kinds:
        return None
    if isinstance(kinds[0], dict):
        names = {key: None for value in kinds for key in value}
        return {
            key: _largest(key if name == "errors" else name, {label: v[key] for label, v in found.items() if key in v})
            for key in names
        }
    if isinstance(kinds[0], list):
        return [{"run": label, **entry} for label, entries in found.items() for entry in entries]
    return sum(kinds) if name in _SUMMED else max(kinds)
