"""How Sphinx builds the documentation of nogap."""

import os
import warnings

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
    "sphinx_gallery.gen_gallery",
]
exclude_patterns = ["_build", "auto_examples/**/*.ipynb", "sg_execution_times.rst"]
myst_enable_extensions = ["dollarmath"]
myst_heading_anchors = 2

autodoc_member_order = "bysource"
autodoc_typehints = "none"  # the docstrings give the types in words
autodoc_mock_imports = ["dask", "onnx", "skl2onnx"]  # extras the docs do not install
numpydoc_show_class_members = False

# The gallery runs examples/plot_*.py; NOGAP_GALLERY=0 shows them without running.
sphinx_gallery_conf = {
    "examples_dirs": "../examples",
    "gallery_dirs": "auto_examples",
    "filename_pattern": r"/plot_",
    "ignore_pattern": "readme_picture",
    "plot_gallery": os.environ.get("NOGAP_GALLERY", "1") != "0",
    "abort_on_example_error": True,
    "download_all_examples": False,
    "show_signature": False,
    "min_reported_time": 1e9,
}
warnings.filterwarnings("ignore", message="FigureCanvasAgg is non-interactive")

html_theme = "furo"
html_title = f"nogap {release}"
