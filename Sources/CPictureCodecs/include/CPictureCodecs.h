#pragma once

// libpng and libjpeg report what they cannot decode by a jump out of their caller, which must not cross Swift's frames;
// libtiff does so by functions with variable arguments, which Swift cannot write. So they are called from C. Whatever
// else there is to decide about a picture is decided in Swift.

#include <stddef.h>
#include <stdint.h>

/// What a decoder made of a file.
typedef struct {
  /// Rows from the top, without gaps, [height, width, components]; to be freed. NULL if the file cannot be decoded.
  uint8_t *samples;
  int width;
  int height;
  /// 1: grey. 2: grey, opacity. 3: red, green, blue. 4: those and opacity; of JPEG, inks (CMYK).
  int components;
  /// Why it cannot be decoded, in the library's words.
  char message[256];
} oboro_pixels;

/// A PNG file. Samples of 16 bits lose their lower 8. Chunks that do not concern the pixels are passed over.
oboro_pixels oboro_decode_png(const uint8_t *bytes, size_t size, size_t pixel_limit);

/// A JPEG file. A warning that may mean lost pixels is a failure.
oboro_pixels oboro_decode_jpeg(const uint8_t *bytes, size_t size, size_t pixel_limit);

/// A TIFF file's first picture, as it is stored: its orientation is not applied. Colours are multiplied by the opacity.
oboro_pixels oboro_decode_tiff(const uint8_t *bytes, size_t size, size_t pixel_limit);
