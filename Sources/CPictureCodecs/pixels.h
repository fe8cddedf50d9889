#pragma once

#include "CPictureCodecs.h"

#include <stdio.h>
#include <stdlib.h>

/// Takes memory for the samples; 0, with a message, if there is none or there are too many pixels.
static inline int oboro_reserve(oboro_pixels *pixels, size_t width, size_t height, int components, size_t limit) {
  if (width == 0 || height == 0 || width > limit / height) {
    snprintf(pixels->message, sizeof pixels->message, "has %zu x %zu pixels", height, width);
    return 0;
  }
  // Zeros: no decoder that stops early shows another picture's memory.
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

/// Gives back the memory of what was not decoded.
static inline oboro_pixels oboro_failed(oboro_pixels pixels) {
  free(pixels.samples);
  pixels.samples = NULL;
  return pixels;
}
