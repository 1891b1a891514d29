"""The protocols: each module reads one kind of request and writes its kind of answer."""
