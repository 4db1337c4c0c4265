"""How Sphinx builds the documentation of nogap."""

import nogap

project = "nogap"
author = "The nogap developers"
copyright = "2026, The nogap developers"
version = release = nogap.__version__

extensions = [
    "sphinx.ext.autodoc",
    "sphinx.ext.mathjax",
    "numpydoc",
    "myst_parser",
]
exclude_patterns = ["_build"]
myst_enable_extensions = ["dollarmath"]

autodoc_member_order = "bysource"
autodoc_typehints = "none"  # the docstrings give the types in words
autodoc_mock_imports = ["dask", "onnx", "skl2onnx", "torch"]  # extras the docs do not install
numpydoc_show_class_members = False

html_theme = "furo"
html_title = f"nogap {release}"
