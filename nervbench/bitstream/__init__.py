"""The ``.nerv`` file: weights on integer grids, entropy coded, with all that decoding needs.

Numbers are little-endian. Nothing in a file is run, and equal content gives equal bytes.

::

    offset  bytes  field
    0       8      magic: 89 4E 45 52 56 0D 0A 1A
    8       4      version, 1
    12      4      H, the length of the header
    16      4      CRC-32 of the header
    20      4      CRC-32 of all that follows the header
    24      4      CRC-32 of the decoded weights, float32, in the order of the records
    28      H      header: an object of JSON in UTF-8
    28 + H  …      one part for each record, in their order
    …       4 · n  the symbols of all coded tensors in one stream of 32-bit words (ANS)

The header's keys: ``spec`` (as in a checkpoint), ``frames`` (the T of t / T; left out where unknown), ``notes`` (texts
by name) and ``tensors``, a list of records, each of one tensor of the spec, whose shape follows from the spec:

- ``{"name", "dtype"}``: values as they are, ``float16`` or ``float32``; its part is these values. For what has one
  dimension: biases and what normalisations hold.
- ``{"name", "low", "levels", "exponent", "model"}``: value = symbol · step[channel] · 2^exponent, with a channel for
  each index of axis 0. Symbols are integers from ``low`` on, ``levels`` of them; 0 is 0 exactly. Its part is the
  float16 steps and, with ``model`` "table", a byte for each level that says how frequent it is; "flat" has all levels
  equally frequent. See :mod:`nervbench.bitstream.entropy`.

The steps are float16 because two bytes a channel are enough: values are rounded to the grid of the step as stored, so
its own rounding only makes a grid coarser by up to 0.1 %. Where weights are zero is not stored apart: zero is a symbol,
which costs what a perfectly coded mask and the rest would, and never more than a mask of one bit a weight.
"""
