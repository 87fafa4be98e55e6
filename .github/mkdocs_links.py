"""Have the pages' links to files beside them lead where the files are: into the repository."""

from typing import Any


def on_page_markdown(markdown: str, *, page: Any, config: Any, files: Any) -> str:  # noqa: ARG001 - the hook's own names
    """Rewrite links that leave the documentation, which GitHub follows and a site cannot."""
    return markdown.replace("](../../", f"]({config['repo_url']}/blob/main/")
