"""The extras of this package, and the one way to install them."""


def install_command(extra: str) -> str:
    """Return the command that installs an extra, and where to run it.

    Assay is installed from a checkout: a package of its name on PyPI would be another project.
    """
    return f"pip install -c constraints.txt '.[{extra}]' in the checkout of Assay"
