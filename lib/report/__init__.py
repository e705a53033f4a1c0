"""The report: every claim, paper, notebook and recorded run as a page that opens from a folder, without a network.

`python -m lib.report` writes it. Nothing is computed anew and no number is typed: pages are made from `paper.yaml`, the
recorded results and the stored outputs of the notebooks.

The pages are plain HTML, made with the Markdown, template and highlighting packages that JupyterLab brings along, and
formulas become MathML while the pages are written. So nothing is left to load from elsewhere, neither scripts nor
fonts, and the whole site takes seconds, short enough to be built and checked by the ordinary tests.
"""
