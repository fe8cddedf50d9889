#include <pthread.h>
#include <string.h>
#include <tiffio.h>

#include "pixels.h"

/// The maximum number of samples per pixel; a file may claim 65535.
enum { sample_limit = 8 };

typedef struct {
  const uint8_t *bytes;
  size_t size, place;
  oboro_pixels pixels;
  /// Whether pixels are being decoded; earlier warnings concern the header.
  int is_decoding;
} reading;

static void keep(reading *reading, const char *format, va_list arguments) {
  // The first message is the cause of those that follow.
  if (reading->pixels.message[0]) return;
  vsnprintf(reading->pixels.message, sizeof reading->pixels.message, format, arguments);
}

static void fail(thandle_t handle, const char *module, const char *format, va_list arguments) {
  (void)module;
  if (handle) keep(handle, format, arguments);
}

// libtiff's decoders report truncated data and corrupt JPEG data only as warnings.
static void warn(thandle_t handle, const char *module, const char *format, va_list arguments) {
  (void)module;
  reading *reading = handle;
  if (!reading || !reading->is_decoding || strncmp(format, "Old-style LZW", 13) == 0) return;
  keep(reading, format, arguments);
}

static void silence(void) {
  // These handlers are process-wide; our files are distinguished from others by their handle.
  TIFFSetErrorHandler(NULL);
  TIFFSetWarningHandler(NULL);
  TIFFSetErrorHandlerExt(fail);
  TIFFSetWarningHandlerExt(warn);
}

static tmsize_t supply(thandle_t handle, void *target, tmsize_t count) {
  reading *reading = handle;
  size_t rest = reading->place < reading->size ? reading->size - reading->place : 0;
  size_t part = count < 0 ? 0 : (size_t)count < rest ? (size_t)count : rest;
  memcpy(target, reading->bytes + (part ? reading->place : 0), part);
  reading->place += part;
  return (tmsize_t)part;
}

static toff_t seek(thandle_t handle, toff_t offset, int whence) {
  reading *reading = handle;
  toff_t start = whence == SEEK_CUR ? reading->place : whence == SEEK_END ? reading->size : 0;
  reading->place = (size_t)(start + offset);
  return reading->place;
}

static tmsize_t refuse_writing(thandle_t handle, void *bytes, tmsize_t count) {
  (void)handle, (void)bytes, (void)count;
  return -1;
}

static toff_t total(thandle_t handle) { return ((reading *)handle)->size; }

/// libtiff only reads the mapped memory.
static int map(thandle_t handle, void **start, toff_t *size) {
  reading *reading = handle;
  *start = (void *)(uintptr_t)reading->bytes;
  *size = reading->size;
  return 1;
}

static void unmap(thandle_t handle, void *start, toff_t size) { (void)handle, (void)start, (void)size; }

static int leave_open(thandle_t handle) {
  (void)handle;
  return 0;
}

static int refuse(reading *reading, const char *message) {
  snprintf(reading->pixels.message, sizeof reading->pixels.message, "%s", message);
  return 0;
}

/// Whether libtiff decodes this kind of image correctly.
static int is_known(TIFF *file, reading *reading, uint32_t width, uint32_t height, size_t pixel_limit) {
  uint16_t bits, samples, format, kind, extra_count, *extra;
  TIFFGetFieldDefaulted(file, TIFFTAG_BITSPERSAMPLE, &bits);
  TIFFGetFieldDefaulted(file, TIFFTAG_SAMPLESPERPIXEL, &samples);
  TIFFGetFieldDefaulted(file, TIFFTAG_SAMPLEFORMAT, &format);
  if (!TIFFGetFieldDefaulted(file, TIFFTAG_EXTRASAMPLES, &extra_count, &extra)) extra_count = 0;
  if (!TIFFGetField(file, TIFFTAG_PHOTOMETRIC, &kind)) return refuse(reading, "does not say what its samples are");
  if (samples > sample_limit) return refuse(reading, "has more than 8 samples a pixel");
  if (format != SAMPLEFORMAT_UINT && format != SAMPLEFORMAT_VOID) {
    return refuse(reading, "has samples that are no unsigned integers");
  }
  // libtiff would treat these as opaque.
  int is_grey = kind == PHOTOMETRIC_MINISBLACK || kind == PHOTOMETRIC_MINISWHITE;
  if (is_grey && bits != 8 && extra_count > 0 && extra[0] != EXTRASAMPLE_UNSPECIFIED) {
    return refuse(reading, "has grey samples of other than 8 bits with opacity");
  }
  if (TIFFIsTiled(file)) {
    uint32_t tile_width = 0, tile_height = 0;
    TIFFGetField(file, TIFFTAG_TILEWIDTH, &tile_width);
    TIFFGetField(file, TIFFTAG_TILELENGTH, &tile_height);
    // Tiles at the edges have full size, and sizes are multiples of 16 pixels.
    if (tile_width == 0 || tile_width > pixel_limit || tile_height == 0 || tile_height > pixel_limit / tile_width
        || tile_width / 16 > width || tile_height / 16 > height) {
      return refuse(reading, "has tiles much larger than itself");
    }
  }
  return 1;
}

/// Converts libtiff's pixels, which are integers, to bytes in order, and premultiplies colours by the opacity if
/// necessary.
static void arrange(uint32_t *pixels, size_t count, int is_multiplied) {
  for (size_t i = 0; i < count; i++) {
    uint32_t pixel = pixels[i];
    uint8_t bytes[4] = {TIFFGetR(pixel), TIFFGetG(pixel), TIFFGetB(pixel), TIFFGetA(pixel)};
    for (int channel = 0; channel < 3 && !is_multiplied; channel++) {
      bytes[channel] = (uint8_t)((bytes[channel] * bytes[3] + 127) / 255);
    }
    memcpy(pixels + i, bytes, sizeof bytes);
  }
}

static int decode(TIFF *file, reading *reading, size_t pixel_limit) {
  uint32_t width = 0, height = 0;
  TIFFGetField(file, TIFFTAG_IMAGEWIDTH, &width);
  TIFFGetField(file, TIFFTAG_IMAGELENGTH, &height);
  if (!is_known(file, reading, width, height, pixel_limit)) return 0;
  if (!oboro_reserve(&reading->pixels, width, height, 4, pixel_limit)) return 0;
  TIFFRGBAImage image;
  char message[1024] = "";
  if (!TIFFRGBAImageOK(file, message) || !TIFFRGBAImageBegin(&image, file, 1, message)) {
    return reading->pixels.message[0] ? 0 : refuse(reading, message);
  }
  // Keeps the upper 8 of 16 bits, as for PNG; libtiff would round.
  for (int sample = 0; image.Bitdepth16To8 && sample < 1 << 16; sample++) image.Bitdepth16To8[sample] = sample >> 8;
  // Never transposes rows and columns: all orientations are applied in one place.
  image.req_orientation = image.orientation;
  uint32_t *pixels = (uint32_t *)(void *)reading->pixels.samples;
  reading->is_decoding = 1;
  int is_whole = TIFFRGBAImageGet(&image, pixels, width, height) && !reading->pixels.message[0];
  // libtiff premultiplies colours, but not greys.
  int is_grey = image.photometric == PHOTOMETRIC_MINISBLACK || image.photometric == PHOTOMETRIC_MINISWHITE;
  int is_multiplied = !is_grey || image.alpha != EXTRASAMPLE_UNASSALPHA;
  TIFFRGBAImageEnd(&image);
  if (is_whole) arrange(pixels, (size_t)width * height, is_multiplied);
  return is_whole;
}

oboro_pixels oboro_decode_tiff(const uint8_t *bytes, size_t size, size_t pixel_limit) {
  static pthread_once_t once = PTHREAD_ONCE_INIT;
  pthread_once(&once, silence);
  reading reading = {.bytes = bytes, .size = size};
  // Mapped: otherwise, libtiff 4.5 mistakes its buffer's size for that of an uncompressed tile, and rejects it.
  TIFF *file = TIFFClientOpen("", "r", &reading, supply, refuse_writing, seek, leave_open, total, map, unmap);
  int is_whole = file && decode(file, &reading, pixel_limit);
  if (file) TIFFClose(file);
  return is_whole ? reading.pixels : oboro_failed(reading.pixels);
}
