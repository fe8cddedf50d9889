#pragma once

// libpng and libjpeg report errors by a longjmp out of their caller, which must not cross Swift frames; libtiff does so
// through functions with variable arguments, which cannot be written in Swift. They are therefore called from C. All
// other decisions about an image are made in Swift.

#include <stddef.h>
#include <stdint.h>

/// The output of a decoder.
typedef struct {
  /// Contiguous rows from top to bottom, [height, width, components]; to be freed by the caller. NULL on failure.
  uint8_t *samples;
  int width;
  int height;
  /// 1: grey. 2: grey, opacity. 3: red, green, blue. 4: red, green, blue, opacity, or for JPEG, inks (CMYK).
  int components;
  /// The library's error message on failure.
  char message[256];
} oboro_pixels;

/// Decodes a PNG file. 16-bit samples are truncated to their upper 8 bits. Chunks that do not affect the pixels are
/// skipped.
oboro_pixels oboro_decode_png(const uint8_t *bytes, size_t size, size_t pixel_limit);

/// Decodes a JPEG file. A warning that may indicate lost pixels counts as a failure.
oboro_pixels oboro_decode_jpeg(const uint8_t *bytes, size_t size, size_t pixel_limit);

/// Decodes the first image of a TIFF file as stored: its orientation is not applied. Colours are premultiplied by the
/// opacity.
oboro_pixels oboro_decode_tiff(const uint8_t *bytes, size_t size, size_t pixel_limit);
