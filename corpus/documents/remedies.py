"""Remedies for rejected rows: each reason has one, which names the setting or the source."""

import re

GENERAL = "correct the row at the source, or raise source.max_reject_share"
_FIELDS = "name the field that holds it in source.fields"
# A pattern of the kind of a reason (the part before its colon), and the remedy. The first match counts.
_REMEDIES = (
    (
        r"entity\.\w.* is missing|entity\.\w.* is null|entity\.\w.* is empty",
        "set source.entity to the names of its keys",
    ),
    (
        r".* is a number without a name",
        "name it in source.label_map, such as '3': ORG, or export the labels as text",
    ),
    (
        r".* is not a whole number",
        "set source.entity.start and source.entity.end to the fields of the offsets",
    ),
    (r"entity\.\w.* is not a list of objects", "set source.entity.spans to the list that holds the offsets"),
    (r"entity\.\w.* is not text", "set source.entity.label and source.entity.name to fields that hold text"),
    (r"entities are not a list|entity is not an object", "set source.fields.entities to a list of objects"),
    (r"entity begins or ends inside a character", "set source.entity.offset_unit to what the offsets count"),
    (r"lists of entities differ in length", "write one value per entity in each list at the source"),
    (r"entity\..* is not a list of offsets", "set source.entity.offsets to the list of [start, end] in an entity"),
    (r"entity has two types", "give each name one type at the source, or give offsets"),
    (r"entities overlap", "keep one of the overlapping entities, in the tool or at the source"),
    (
        r"annotators disagree",
        "resolve it in the tool, or set source.annotations.disagreement to latest or first",
    ),
    (
        r"relations are not read",
        "set source.annotations.relations to ignore, which reads the entities alone",
    ),
    (
        r".* is not a list of labels",
        "write a JSON list at the source, or set source.label_separator to what stands between the labels",
    ),
    (
        r".* is not a list of entities",
        'write a JSON list at the source, such as [{"start": 0, "end": 4, "label": "ORG"}], or set '
        "source.fields.entities to the field that holds it",
    ),
    (
        r".* is a shortened list",
        "write all values at the source: numpy shortens a long array that it prints, and array.tolist() does not",
    ),
    (r".* is neither 0 nor 1", "write 1 for a label that applies and 0 for one that does not"),
    (r"labels are known in part", "fill in every column of source.fields.labels, or leave all of them empty"),
    (
        r"text has several classes",
        "keep one class per text in the tool, or export lists of labels for a labels head (source.fields.labels)",
    ),
    (
        r"text has several classifications",
        "name the control or question to read in source.fields.label or labels (assay init: --label, --labels)",
    ),
    (
        r"text has several kinds of spans",
        "name the control or question with the entities in source.fields.entities (assay init: --entities)",
    ),
    (
        r"control of the choices is not named",
        "name the column that holds them in source.fields.label, or several of them in source.fields.labels",
    ),
    (
        r"choices are not of the text alone",
        "export the tasks as JSON, which says what each choice is about",
    ),
    (r"classes do not repeat", "name the field of the class by --label; texts of their own are no classes"),
    (r"choice is not a name", "choose names in the tool, or read the rows with source.format: rows"),
    (r"answer is about a single label", "let people choose among all labels (textcat.manual): others are unknown"),
    (r"control of the spans holds none", "name the column that holds the spans in source.fields.entities"),
    (r"span has no label", "label the span in the tool, or delete it, and export again"),
    (r"span is not of plain text", "annotate the text as plain text: these offsets are inside an element of a page"),
    (r"annotations are not a list of objects", "export the tasks again as JSON"),
    (r"answer of Prodigy is none of .*", "export the data set by prodigy db-out, which writes the answers"),
    (r"answer is about a single span", "annotate whole texts by ner.manual or ner.correct: other entities are unknown"),
    (r"entity is not \[start, end, label\]", "write each entity as start, end and label at the source"),
    (r"entity has several types", "keep one type per entity at the source"),
    (r"entity is not in the text", "correct the name at the source, or set source.entity.ignore_case: true"),
    (r"entity stands only inside a longer word", "give offsets, or the whole word as the name, at the source"),
    (
        r"entity is empty|entity ends before it begins",
        "correct its start and end at the source; if the end names the last character, set source.entity.end_inclusive",
    ),
    (r"entity covers white space alone", "drop the entity at the source, or correct its offsets"),
    (
        r"entity lies outside the text|entity differs from the text",
        "count offsets in characters with the end exclusive, or set source.entity.end_inclusive: true or offset_unit",
    ),
    (
        r"tag is neither O nor .*",
        "write the tags as O, B-TYPE and I-TYPE, or in a scheme of source.tagging.scheme",
    ),
    (
        r"tag has no prefix",
        "set source.tagging.scheme to io if a run of equal tags is one entity, else add prefixes",
    ),
    (r"tag is not of source.tagging.scheme", "set source.tagging.scheme to the scheme of the tags, or leave it out"),
    (
        r"tag is a number",
        "name the tags in their order in source.tagging.names, such as O, B-PER, I-PER",
    ),
    (r"tag is not in source.tagging.names", "add the tag to source.tagging.names"),
    (r".* holds no spacing", "set source.tagging.space_after to a list of true and false, Yes and No, or white space"),
    (r".* does not match .*", "write one value per word at the source; see source.tagging.space_after"),
    (r".* do not match .*", "write one tag per token at the source; see source.fields.tokens and source.fields.tags"),
    (
        r"id of the document is .*|_?id is (missing|null|empty)",
        "set source.fields.id to a field that every document has",
    ),
    (r".* is none of .*", "set source.fields.split to a field that holds train, validation or test"),
    (r".* is neither true nor false", "set source.parse.repost to a field that holds true or false"),
    (
        r".* is not a list",
        "set source.fields or source.parse to the field that holds the list, and source.format to the document format; "
        'write a cell of a table as a JSON list, such as ["EU", "rejects"]',
    ),
    (r"sentence is not an object", "set source.parse.sentences to a list of objects"),
    (r".* is (missing|null)", f"{_FIELDS} (format parse: source.parse), or leave such rows out with source.filter"),
    (r".* is empty", "drop empty rows at the source, or leave them out with source.filter"),
    (r".* is not text", f"{_FIELDS} (format parse: source.parse); it must be text"),
    (r"sentence is too long", "write a blank line after each sentence"),
    (r".* is too long", "shorten or split the text at the source"),
    (r".* is not a single value", "set source.fields to a field that holds one value, such as a key of that object"),
    (
        r".* is not a time in ISO 8601",
        "write it as 2024-05-31T12:00:00Z at the source, or set source.fields.time to another",
    ),
    (
        r".* is not a Unix time",
        "write seconds or milliseconds since 1970 at the source, or set source.fields.time to another",
    ),
    (
        r"not valid UTF-8",
        "save the file again as UTF-8, or name its encoding in source.file.encoding, such as windows-1252",
    ),
    (r".* holds a NUL character|.* is not valid Unicode", "save the source again as UTF-8 without NUL"),
    (
        r".* is not JSON",
        "write the column as JSON at the source, or name other fields in source.fields and source.filter",
    ),
    (r"not valid JSON|not a JSON object", "write one JSON object per line at the source"),
    (
        r"not valid extended JSON",
        'write the value as mongoexport does, such as {"$oid": "65937b80a1b2c3d4e5f60000"}, or export it again',
    ),
    (
        r"a quotation mark is not closed|text follows a closing quotation mark",
        'close the quotation mark, write "" for one inside a quoted cell, or set source.file.quotes: false if they '
        "are characters",
    ),
    (
        r"a quotation mark is escaped by a backslash",
        'set source.file.escape to "\\\\", or write "" for a quotation mark inside a quoted cell',
    ),
    (
        r"not valid CSV|wrong number of cells",
        "correct the quotes and separators of that line, or set source.file.separator",
    ),
    (
        r"a cell has no column name",
        "name each column in the first row of the sheet that is not empty, and remove titles above the names",
    ),
    (r"not a label of fastText", "write __label__NAME for each label, with blanks between them and before the text"),
    (
        r"not the number of a word",
        "number the words of CoNLL-U as 1, 1-2 or 1.1, and write a blank line after a sentence",
    ),
    (
        r"number of a word repeats or falls",
        "number the words of a sentence upwards, and write a blank line after it",
    ),
    (r"words of a token are missing", "write a line for each word of a range such as 1-2, or end the range earlier"),
    (r"wrong number of columns", "write as many columns in each line of the sentence, or a blank line after it"),
    (r"entity is discontinuous", "give the entity one start and one end at the source"),
    (r"not a line of brat", "write the line as brat does: T1, a tab, the label, start and end, a tab, the text"),
    (r"time is outside the calendar", "correct the time at the source"),
    (r"not readable", "write the file again: the value cannot be decoded"),
)
_PATTERNS = [(re.compile(pattern, re.DOTALL), remedy) for pattern, remedy in _REMEDIES]


def remedy_of(reason: str) -> str:
    """Return the remedy for a row that was rejected for the given reason."""
    kind = reason.partition(": ")[0]
    return next((remedy for pattern, remedy in _PATTERNS if pattern.fullmatch(kind)), GENERAL)
