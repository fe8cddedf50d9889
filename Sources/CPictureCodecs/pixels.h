#pragma once

#include "CPictureCodecs.h"

#include <stdio.h>
#include <stdlib.h>

/// Allocates memory for the samples; returns 0, with a message, if that fails or there are too many pixels.
static inline int oboro_reserve(oboro_pixels *pixels, size_t width, size_t height, int components, size_t limit) {
  if (width == 0 || height == 0 || width > limit / height) {
    snprintf(pixels->message, sizeof pixels->message, "has %zu x %zu pixels", height, width);
    return 0;
  }
  // Zeroed, so that a decoder that stops early does not expose the memory of another image.
  pixels->samples = calloc(width * height, (size_t)components);
  if (!pixels->samples) {
    snprintf(pixels->message, sizeof pixels->message, "no memory for %zu x %zu pixels", height, width);
    return 0;
  }
  pixels->width = (int)width;
  pixels->height = (int)height;
  pixels->components = components;
  return 1;
}

/// Frees the memory of an image that could not be decoded.
static inline oboro_pixels oboro_failed(oboro_pixels pixels) {
  free(pixels.samples);
  pixels.samples = NULL;
  return pixels;
}
