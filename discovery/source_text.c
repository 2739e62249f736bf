/* What strangers say, fit to be shown. */
#include <stdio.h>

#include "base/utf8.h"
#include "discovery/source.h"

/* One line, and UTF-8 or else ASCII, since it becomes JSON. */
static void tidy(char *text)
{
    json_t *string;
    bool utf8;

    for (char *p = text; *p != '\0'; p++) {
        if ((unsigned char)*p < 0x20 || *p == 0x7f)
            *p = ' ';
    }
    string = json_string(text);
    utf8 = string != NULL;
    json_decref(string);
    for (char *p = text; !utf8 && *p != '\0'; p++) {
        if ((unsigned char)*p >= 0x80)
            *p = '?';
    }
}

void source_text(char out[SOURCE_ERROR_BYTES], const char *format, va_list args)
{
    int n = vsnprintf(out, SOURCE_ERROR_BYTES, format, args);

    if (n >= SOURCE_ERROR_BYTES)
        out[utf8_whole(out, SOURCE_ERROR_BYTES - 1)] = '\0';
    tidy(out);
}
