/* libxslt reports through variadic callbacks, which stable Rust cannot define. This one renders the text and
 * hands it on. The format goes along, because it alone tells a report's head ("%s: file %s line %d ...") from its
 * text ("%s"): the text may hold anything, it comes from the stylesheet. */

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

typedef void (*sink)(void *context, const char *format, const char *text);

static sink report;

/* Called once, before the first report can be made. */
void libxslt_sys_set_sink(sink to)
{
    report = to;
}

void libxslt_sys_report(void *context, const char *format, ...)
{
    char small[512];
    char *text = small;
    va_list args;
    int length;

    if (report == NULL)
        return;
    va_start(args, format);
    length = vsnprintf(small, sizeof small, format, args);
    va_end(args);
    if (length < 0)
        return;
    if ((size_t)length >= sizeof small) {
        text = malloc((size_t)length + 1);
        if (text == NULL)
            return;
        va_start(args, format);
        vsnprintf(text, (size_t)length + 1, format, args);
        va_end(args);
    }
    report(context, format, text);
    if (text != small)
        free(text);
}
