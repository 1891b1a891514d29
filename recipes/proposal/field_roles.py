"""Which field is the text, the class, the id, the group, the time and the published split of a row."""

import re
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from assay.corpus.choice import nearest
from assay.corpus.documents.list_names import Documents, list_fault
from assay.corpus.documents.raw_document import SPLIT_ALIASES
from assay.corpus.documents.tag_schemes import OUTSIDE
from assay.corpus.errors import AssayError
from assay.corpus.sources.conll_layout import is_tag
from assay.recipes.proposal.field_content import SHOWN, content, counted_values, described, listed, shown_name
from assay.recipes.proposal.field_profile import LONGEST_CLASS, LONGEST_ID, MAX_VALUES, FieldProfile
from assay.recipes.proposal.label_cells import MIN_ROWS_PER_CLASS, MOST_CLASSES
from assay.recipes.proposal.questions import NONE, AmbiguousError, ask, describe_values
from assay.recipes.proposal.source_settings import set_field

Profiles = Mapping[str, FieldProfile]

# Names in the order of preference; compared without case, and by the last part of a dotted name.
TEXT_NAMES = ("text", "sentence", "content", "body", "tweet", "review", "review_text", "comment", "headline",
              "message", "utterance", "document", "sms", "post", "title", "summary", "satz", "texte", "texto",
              "inhalt")  # fmt: skip
PAIR_NAMES = (("question", "passage"), ("question", "context"), ("question", "sentence"), ("query", "passage"),
              ("query", "document"), ("premise", "hypothesis"), ("sentence1", "sentence2"), ("text1", "text2"),
              ("question1", "question2"), ("text_a", "text_b"), ("sentence_a", "sentence_b"))  # fmt: skip
LABEL_NAMES = ("label", "labels", "class", "class_name", "category", "sentiment", "intent", "target", "polarity",
               "rating", "stars", "emotion", "topic", "stance", "gold", "gold_label", "answer", "y", "label_text",
               "klasse", "kategorie", "stimmung", "bewertung", "etikett", "etiqueta")  # fmt: skip
ID_NAMES = ("id", "_id", "uid", "uuid", "guid", "row_id", "idx", "key", "nr", "no")
GROUP_NAMES = ("group", "group_id", "document", "doc", "document_id", "doc_id", "docid", "article_id", "thread_id",
               "conversation_id", "dialog_id", "dialogue_id", "session_id", "user", "user_id", "userid",
               "author", "author_id", "speaker", "speaker_id", "patient_id", "customer_id", "case_id", "ticket_id",
               "article", "thread", "conversation", "dialog", "dialogue", "session", "patient", "customer", "ticket",
               "username", "url")  # fmt: skip
TIME_NAMES = ("time", "date", "timestamp", "created_at", "created", "published", "published_at", "at", "datum", "when")
SPLIT_NAMES = ("split", "set", "partition", "fold", "subset")
MOST_SLICE_VALUES = 20
LEAST_MEAN_TEXT = 12  # characters
FEWEST_ROWS = 10  # fewer can be neither told apart nor split
OPTIONAL = ("label", "labels", "entities", "group", "split")  # roles that no field needs to have
ROLES = ("text", "pair", "label", "labels", "entities", "group", "split")


@dataclass(frozen=True)
class Choices:
    """Roles that the user has named; `none` says that no field has the role."""

    text: str | None = None
    pair: str | None = None
    label: str | None = None
    entities: str | None = None
    group: str | None = None
    split: str | None = None
    labels: str | None = None  # a field, or several separated by commas
    settings: Mapping[str, Any] = field(default_factory=dict)  # keys of the source section

    def check(self, names: Collection[str], roles: Collection[str] = ROLES, *, of: str = "document") -> None:
        """Refuse names that no document has, and two uses of one field.

        Args:
            names: the fields that exist.
            roles: options that name one of these fields.
            of: what holds the fields, for the message.

        Raises:
            AssayError: a named field does not exist, or has two uses.
        """
        taken: dict[str, str] = {}
        for option, name in self._named():
            if option in roles and name not in names:
                raise no_field(f"--{option} {name}", name, names, of)
            if (other := taken.setdefault(name, option)) != option:
                raise AssayError(f"--{other} and --{option} both name {name}; a field has one use, so name another")

    @property
    def names(self) -> list[str]:
        """The fields that the options name."""
        return [name for _, name in self._named()]

    def _named(self) -> Iterator[tuple[str, str]]:
        """Yield each option with a field that it names."""
        for option in ROLES:
            value: str | None = getattr(self, option)
            if value is None or (value == NONE and option in OPTIONAL):
                continue
            for name in separate_names(value) if option == "labels" else [value]:
                yield option, name


def no_field(
    setting: str, name: str, names: Collection[str], of: str = "document", documents: Documents = ()
) -> AssayError:
    """Return the error for a setting that names a field which does not exist, in lists of the documents either."""
    fields = listed(list(names))
    fault = list_fault(name, documents)
    cause, likely = ("", nearest(name, names)) if fault is None else (f": {fault}", "")
    return AssayError(f"{setting}: no {of} has this field{cause}; fields are {fields}{likely}")


def no_lists(setting: str, name: str, names: Collection[str], what: str) -> AssayError:
    """Return the error for a setting that names a field without such lists, of which `names` are the fields."""
    if not names:
        return AssayError(f"{setting}: no field holds {what}; leave the setting out, or write such lists at the source")
    fields = listed(list(names))
    return AssayError(
        f"{setting}: no field of this name holds {what}; fields that do are {fields}{nearest(name, names)}"
    )


@dataclass(frozen=True)
class RowRoles:
    """Fields beside the text and the entities by their role; None where no field has it."""

    label: str | None = None
    id: str | None = None
    group: str | None = None
    time: str | None = None
    split: str | None = None
    slices: tuple[str, ...] = ()
    ignored: tuple[str, ...] = field(default=(), compare=False)


def find_roles(profiles: Profiles, choices: Choices, *, has_entities: bool) -> RowRoles:
    """Return the role of each field beside the text and the entities.

    Args:
        profiles: fields of the sample that have no role yet.
        choices: what the user has decided.
        has_entities: whether the rows hold entities or several labels, so that a class is not required.

    Raises:
        AmbiguousError: several fields may have one role.
        AssayError: neither classes nor entities were found.
    """
    free = profiles
    split = find_split(free, choices)
    row_id = _set(free, choices, "id") or _named(free, ID_NAMES, _is_id)
    free = without(free, split, row_id)
    label = _label(free, choices, has_entities=has_entities)
    free = without(free, label)
    time = _set(free, choices, "time") or _time(free)
    group = _group(without(free, time), choices)
    free = without(free, time, group)
    slices = tuple(name for name, profile in free.items() if _is_slice(profile) and not _is_named_split(name))
    ignored = tuple(name for name in free if name not in slices)
    return RowRoles(label, row_id, group, time, split, slices, ignored)


def find_texts(profiles: Profiles, choices: Choices) -> tuple[str, str | None]:
    """Return the field of the text, and of the second text where rows are pairs.

    Raises:
        AmbiguousError: several fields may be the text.
        AssayError: no field holds texts.
    """
    if choices.text is not None:
        return choices.text, given(choices.pair)
    candidates = {name: profile for name, profile in without(profiles, choices.pair).items() if is_text(profile)}
    by_last = {last_part(name): name for name in reversed(candidates)}
    if choices.pair is None:
        for first, second in PAIR_NAMES:
            if first in by_last and second in by_last:
                return by_last[first], by_last[second]
    return _single_text(profiles, candidates, by_last), given(choices.pair)


def _single_text(profiles: Profiles, candidates: Profiles, by_last: Mapping[str, str]) -> str:
    if "text" in by_last:
        return by_last["text"]
    if (tags := next(filter(_is_tag, profiles.values()), None)) is not None:
        raise AssayError(
            f"{tags.name} holds tags, so each row is a word: write lists of words and tags, a row per sentence "
            "(format: tokens), or CoNLL with a blank line after each sentence"
        )
    named = [by_last[name] for name in TEXT_NAMES if name in by_last]
    if len(candidates) > 1 and len(named) != 1:
        raise ask("the text of a row", "--text", list(candidates.values()))
    if not candidates:
        fields = described(list(profiles.values())) or "there are none"
        raise AssayError(f"no field holds texts: {fields}; name the text with --text FIELD")
    return (named or list(candidates))[0]


def _set(profiles: Profiles, choices: Choices, role: str) -> str | None:
    """Return the field that the user sets for a role in `source.fields`; None without one.

    Raises:
        AssayError: there is no such field, or another option names it.
    """
    name = set_field(choices.settings, "fields", role)
    if name is not None and name not in profiles:
        raise no_field(f"--set source.fields.{role}={name}", name, profiles)
    return name


def _is_id(profile: FieldProfile) -> bool:
    return profile.unique and profile.mean_length <= LONGEST_ID


def _label(profiles: Profiles, choices: Choices, *, has_entities: bool) -> str | None:
    if choices.label is not None:
        return given(choices.label)
    candidates = [profile for profile in profiles.values() if is_class(profile)]
    named = [profile for profile in candidates if _is_named(profile.name, LABEL_NAMES)]
    if len(named) == 1:
        return named[0].name
    if named:
        exact = [profile for profile in named if profile.name.lower() in ("label", "labels")]
        if len(exact) == 1:
            return exact[0].name
        raise ask("the class of a row", "--label", named, optional=has_entities)
    if has_entities or not candidates:
        if not has_entities:
            raise AssayError(_no_class(profiles))
        return None
    if len(candidates) > 1:
        raise ask("the class of a row", "--label", candidates)
    return candidates[0].name


def _no_class(profiles: Profiles) -> str:
    if not profiles:
        return "no field holds classes or entities: there is none beside the text; add one with the class of each row"
    named = [profile for profile in profiles.values() if _is_named(profile.name, LABEL_NAMES)]
    if single := next((profile for profile in named if profile.distinct == 1), None):
        only = next(iter(single.counts))
        return f"field {single.name} holds one class only, {only!r}; a model needs two: add rows of another class"
    fields = named or list(profiles.values())
    reasons = "; ".join(f"{shown_name(profile)} {_why_no_class(profile)}" for profile in fields[:SHOWN])
    more = f"; and {len(fields) - SHOWN} more" if len(fields) > SHOWN else ""
    documents = fields[0].documents
    is_small = documents < FEWEST_ROWS
    remedy = f"{documents} rows are too few, add rows" if is_small else "name it with --label FIELD"
    return f"no field holds classes or entities: {reasons}{more}; {remedy}"


def _why_no_class(profile: FieldProfile) -> str:
    if profile.kind == "number" and any("." in value for value in profile.counts):
        return "holds numbers with decimals, which are no classes"
    if profile.kind not in ("text", "number", "boolean") or profile.distinct < 2:
        return f"holds {content(profile)}"
    if profile.distinct > MOST_CLASSES or profile.repeats < MIN_ROWS_PER_CLASS:
        return f"holds {counted_values(profile)} in {profile.present:,} rows"
    return f"holds values of more than {LONGEST_CLASS} characters"


def _group(profiles: Profiles, choices: Choices) -> str | None:
    if choices.group is not None:
        return given(choices.group)
    candidates = [profile for profile in profiles.values() if _is_group(profile)]
    if len(candidates) > 1:
        raise ask("rows that belong together (one split for each value)", "--group", candidates, optional=True)
    return candidates[0].name if candidates else None


def _time(profiles: Profiles) -> str | None:
    times = [name for name, profile in profiles.items() if profile.kind == "time" and profile.share == 1]
    named = [name for name in times if _is_named(name, TIME_NAMES)]
    candidates = named or times
    return candidates[0] if len(candidates) == 1 else None


def is_class(profile: FieldProfile) -> bool:
    """Return whether the values of a field may be classes: short, few, and each on several rows."""
    return (
        profile.kind in ("text", "number", "boolean")
        and 2 <= profile.distinct <= MOST_CLASSES
        and profile.repeats >= MIN_ROWS_PER_CLASS
        and max(map(len, profile.counts)) <= LONGEST_CLASS
        and not (profile.kind == "number" and any("." in value for value in profile.counts))
    )


def last_part(name: str) -> str:
    """Return the last part of a dotted name in lower case, without separators around it."""
    return name.rpartition(".")[2].strip(" _-").lower() or name


def _is_named(name: str, names: Sequence[str]) -> bool:
    """Return whether the name of a field is one of these, or ends with one after a separator."""
    last = last_part(name)
    return last in names or re.split(r"[ _-]", last)[-1] in names


def is_text(profile: FieldProfile) -> bool:
    """Return whether a field may hold texts: long, varied, and of several words or in a script without spaces."""
    varied = profile.distinct >= min(MAX_VALUES, 0.5 * profile.present) or last_part(profile.name) in TEXT_NAMES
    wordy = profile.with_spaces >= 0.3 * profile.present or not max(profile.counts, default="").isascii()
    return profile.kind == "text" and profile.mean_length >= LEAST_MEAN_TEXT and varied and wordy


def _is_tag(profile: FieldProfile) -> bool:
    """Return whether the values of a field are tags of words, such as O and B-PER."""
    return len(profile.counts) > 1 and OUTSIDE in profile.counts and all(map(is_tag, profile.counts))


def find_split(profiles: Profiles, choices: Choices) -> str | None:
    """Return the field of the published split; None if no field holds one.

    Raises:
        AmbiguousError: a field may hold splits.
        AssayError: the field that the user names holds something other than splits.
    """
    if choices.split is not None:
        return _given_split(profiles, choices.split)
    for profile in (profile for name, profile in profiles.items() if _is_named_split(name)):
        words = {value.lower() for value in profile.counts}
        splits = [SPLIT_ALIASES.get(word) for word in words]
        if "train" not in splits or len(words) < 2:
            continue
        if profile.share < 1 or None in splits or len(set(splits)) < len(splits):
            raise AmbiguousError(
                f"field {describe_values(profile)} may hold published splits; write train, validation or test in each "
                f"row at the source, or add --split {NONE}, so that Assay splits the rows"
            )
        return profile.name
    return None


def _given_split(profiles: Profiles, name: str) -> str | None:
    """Return the field that the user names.

    Raises:
        AssayError: it holds something other than splits.
    """
    values = profiles[name].counts if name in profiles else ()
    if other := next((value for value in values if value.lower() not in SPLIT_ALIASES), None):
        raise AssayError(f"--split {name}: {other!r} is none of {', '.join(SPLIT_ALIASES)}; name another, or none")
    return given(name)


def _is_named_split(name: str) -> bool:
    return last_part(name) in SPLIT_NAMES


def _is_group(profile: FieldProfile) -> bool:
    named = _is_named(profile.name, GROUP_NAMES) or last_part(profile.name).endswith(("_id", "_key", "uuid"))
    return named and profile.kind in ("text", "number", "id") and profile.distinct >= 10 and profile.repeats >= 1.1


def _is_slice(profile: FieldProfile) -> bool:
    few = 2 <= profile.distinct <= MOST_SLICE_VALUES and profile.repeats >= 10
    return few and profile.kind in ("text", "number", "boolean") and max(map(len, profile.counts)) <= LONGEST_CLASS


def _named(profiles: Profiles, names: Sequence[str], suits: Callable[[FieldProfile], bool]) -> str | None:
    by_last = {last_part(name): name for name in reversed(list(profiles))}
    by_name = {name.lower(): name for name in profiles}
    for name in names:
        field_name = by_name.get(name) or by_last.get(name.strip("_"))
        if field_name is not None and suits(profiles[field_name]):
            return field_name
    return None


def separate_names(names: str) -> list[str]:
    """Return the fields that an option names, which are separated by commas."""
    return [name.strip() for name in names.split(",") if name.strip()]


def given(name: str | None) -> str | None:
    """Return the field that an option names; None for `none`."""
    return None if name == NONE else name


def without(profiles: Profiles, *names: str | None) -> dict[str, FieldProfile]:
    """Return the fields that have no role yet."""
    return {name: profile for name, profile in profiles.items() if name not in names}
