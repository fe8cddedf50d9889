#include <setjmp.h>
#include <stdio.h>

#include <jpeglib.h>

#include <jerror.h>

#include "pixels.h"

/// The longest run of bytes before a marker that is taken for padding, as some cameras write; a longer one is lost
/// pixel data.
enum { padding_limit = 4096 };
/// The maximum number of scans in a progressive image: about ten in practice. Each takes as long as a whole image.
enum { scan_limit = 500 };

typedef struct {
  struct jpeg_error_mgr handlers;
  jmp_buf exit;
  oboro_pixels pixels;
} reading;

static void fail(j_common_ptr info) {
  reading *reading = (void *)info->err;
  char message[JMSG_LENGTH_MAX];
  info->err->format_message(info, message);
  snprintf(reading->pixels.message, sizeof reading->pixels.message, "%s", message);
  longjmp(reading->exit, 1);
}

static _Noreturn void refuse(reading *reading, const char *message) {
  snprintf(reading->pixels.message, sizeof reading->pixels.message, "%s", message);
  longjmp(reading->exit, 1);
}

static void judge(j_common_ptr info, int level) {
  if (level >= 0) return;
  struct jpeg_error_mgr *said = info->err;
  switch (said->msg_code) {
    // Warnings that do not concern pixels.
    case JWRN_JFIF_MAJOR:
    case JWRN_ADOBE_XFORM:
    case JWRN_NOT_SEQUENTIAL: return;
    case JWRN_EXTRANEOUS_DATA: {
      // Before a restart marker, the interval's data ended too early, so something is wrong with them.
      int marker = said->msg_parm.i[1];
      if (said->msg_parm.i[0] <= padding_limit && (marker < 0xD0 || marker > 0xD7)) return;
      break;
    }
    default: break;
  }
  fail(info);
}

static void count_scans(j_common_ptr info) {
  if (((j_decompress_ptr)info)->input_scan_number > scan_limit) refuse((void *)info->err, "has too many scans");
}

static void decode(j_decompress_ptr info, reading *reading, const uint8_t *bytes, size_t size, size_t pixel_limit) {
  jpeg_mem_src(info, bytes, size);
  jpeg_read_header(info, TRUE);
  switch (info->num_components) {
    case 1: info->out_color_space = JCS_GRAYSCALE; break;
    case 3: info->out_color_space = JCS_RGB; break;
    case 4: info->out_color_space = JCS_CMYK; break;
    default: refuse(reading, "has neither 1, 3 nor 4 components");
  }
  jpeg_start_decompress(info);
  // libjpeg decodes a component without any scan as zeros.
  for (int i = 0; jpeg_has_multiple_scans(info) && i < info->num_components; i++)
    if (!info->comp_info[i].quant_table) refuse(reading, "has no data of a component");
  if (!oboro_reserve(
        &reading->pixels, info->output_width, info->output_height, info->output_components, pixel_limit))
    longjmp(reading->exit, 1);
  size_t row_size = (size_t)info->output_width * info->output_components;
  while (info->output_scanline < info->output_height) {
    JSAMPROW row = reading->pixels.samples + row_size * info->output_scanline;
    jpeg_read_scanlines(info, &row, 1);
  }
  // Reads up to the last marker.
  jpeg_finish_decompress(info);
}

oboro_pixels oboro_decode_jpeg(const uint8_t *bytes, size_t size, size_t pixel_limit) {
  reading reading = {0};
  struct jpeg_decompress_struct info = {0};
  struct jpeg_progress_mgr progress = {.progress_monitor = count_scans};
  info.err = jpeg_std_error(&reading.handlers);
  reading.handlers.error_exit = fail;
  reading.handlers.emit_message = judge;
  volatile int is_whole = 0;
  if (setjmp(reading.exit) == 0) {
    jpeg_create_decompress(&info);
    info.progress = &progress;
    decode(&info, &reading, bytes, size, pixel_limit);
    is_whole = 1;
  }
  jpeg_destroy_decompress(&info);
  return is_whole ? reading.pixels : oboro_failed(reading.pixels);
}
