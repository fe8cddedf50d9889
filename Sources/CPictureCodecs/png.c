#include <png.h>
#include <setjmp.h>
#include <string.h>

#include "pixels.h"

typedef struct {
  const uint8_t *bytes;
  size_t size, place;
  oboro_pixels pixels;
  png_bytepp rows;
  int has_damaged_opacity;
} reading;

static void fail(png_structp png, png_const_charp message) {
  reading *reading = png_get_error_ptr(png);
  snprintf(reading->pixels.message, sizeof reading->pixels.message, "%s", message);
  png_longjmp(png, 1);
}

// libpng warns about anything it skips; among these, only tRNS affects the pixels.
static void warn(png_structp png, png_const_charp message) {
  reading *reading = png_get_error_ptr(png);
  if (strncmp(message, "tRNS", 4) != 0 || reading->has_damaged_opacity) return;
  reading->has_damaged_opacity = 1;
  snprintf(reading->pixels.message, sizeof reading->pixels.message, "%s", message);
}

static void supply(png_structp png, png_bytep target, size_t count) {
  reading *reading = png_get_io_ptr(png);
  if (count > reading->size - reading->place) png_error(png, "ends before its last chunk");
  memcpy(target, reading->bytes + reading->place, count);
  reading->place += count;
}

static void decode(png_structp png, png_infop info, reading *reading, size_t pixel_limit) {
  png_set_read_fn(png, reading, supply);
  png_set_benign_errors(png, 1);
  // Ignore all known chunks except those that determine the pixels.
  png_set_keep_unknown_chunks(png, PNG_HANDLE_CHUNK_NEVER, NULL, -1);
  png_read_info(png, info);
  png_set_expand(png);
  png_set_strip_16(png);
  if (png_get_valid(png, info, PNG_INFO_tRNS)) png_set_tRNS_to_alpha(png);
  png_set_interlace_handling(png);
  png_read_update_info(png, info);
  size_t height = png_get_image_height(png, info), row = png_get_rowbytes(png, info);
  if (!oboro_reserve(&reading->pixels, png_get_image_width(png, info), height, png_get_channels(png, info), pixel_limit))
    png_longjmp(png, 1);
  reading->rows = malloc(height * sizeof *reading->rows);
  if (!reading->rows) png_error(png, "no memory for its rows");
  for (size_t y = 0; y < height; y++) reading->rows[y] = reading->pixels.samples + y * row;
  png_read_image(png, reading->rows);
  // Checks the checksums and the final chunk.
  png_read_end(png, NULL);
}

oboro_pixels oboro_decode_png(const uint8_t *bytes, size_t size, size_t pixel_limit) {
  reading reading = {.bytes = bytes, .size = size};
  png_structp png = png_create_read_struct(PNG_LIBPNG_VER_STRING, &reading, fail, warn);
  png_infop info = png ? png_create_info_struct(png) : NULL;
  int is_whole = 0;
  if (!info) {
    snprintf(reading.pixels.message, sizeof reading.pixels.message, "no memory to decode it");
  } else if (setjmp(png_jmpbuf(png)) == 0) {
    decode(png, info, &reading, pixel_limit);
    is_whole = !reading.has_damaged_opacity;
  } else {
    is_whole = 0;
  }
  png_destroy_read_struct(&png, &info, NULL);
  free(reading.rows);
  return is_whole ? reading.pixels : oboro_failed(reading.pixels);
}
