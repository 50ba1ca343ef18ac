"""Files that hold a video: networks as bitstreams, and conventional codecs to compare with."""
