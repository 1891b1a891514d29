from assay.runs import tags


def test_tags_are_distinct_and_belong_to_the_package() -> None:
    names = {name: value for name, value in vars(tags).items() if name.endswith("_TAG")}
    assert set(names) == set(tags.__all__)
    assert len(set(names.values())) == len(names)
    assert all(value.startswith("assay.") for value in names.values())


def test_tags_that_are_prefixes_begin_no_other_tag() -> None:
    prefixes = [value for name in tags.__all__ if (value := getattr(tags, name)).endswith(".")]
    others = [getattr(tags, name) for name in tags.__all__]
    assert prefixes == [tags.ALIAS_CHANGE_TAG, tags.COPIED_TO_TAG]
    assert not [other for other in others for prefix in prefixes if other != prefix and other.startswith(prefix)]
