/* A FastCGI application in C: tells what it was asked, and does what PATH_INFO says. */
#include <fcgi_stdio.h>
#include <stdlib.h>
#include <string.h>

extern char **environ;

int main(void) {
    for (int count = 1; FCGI_Accept() >= 0; count++) {
        const char *path = getenv("PATH_INFO");
        if (path && !strcmp(path, "/crash")) {
            printf("Content-Type: text/plain\r\n\r\n");
            for (int i = 0; i < 100000; i++) printf("0123456789");
            fflush(stdout);
            abort();
        }
        fprintf(stderr, "answer %d\n", count);
        printf("Content-Type: text/plain\r\n\r\ncount=%d\n", count);
        for (char **variable = environ; *variable; variable++) printf("%s\n", *variable);
        long length = 0;
        while (getchar() != EOF) length++;
        printf("length=%ld\n", length);
    }
    return 0;
}
