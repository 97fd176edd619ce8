#include <stdio.h>

int main(void) {
  puts("Content-Type: text/plain\r\n\r\nHello, world!");
  return 0;
}
