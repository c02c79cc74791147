#include "digits.h"
#include "rows.h"

#ifdef __AVR__
#include <avr/interrupt.h>
#include <avr/io.h>
#include <avr/sleep.h>

static void start(void) { UBRR0 = 8; UCSR0B = 1 << TXEN0; TCCR1B = (1 << CS11) | (1 << CS10); }
static uint32_t now(void) { return TCNT1 * 64ul; }                     /* one step for 64 cycles */
static uint32_t since(uint32_t then) { return (now() - then) & 0x3ffffful; }
static void put(char c) { while (!(UCSR0A & (1 << UDRE0))) {} UDR0 = c; }
static void end(void) { cli(); sleep_enable(); sleep_cpu(); }
#else
#define SYSTICK ((volatile uint32_t *)0xe000e010)

static int call(int what, const void *with) {                          /* of the emulator, by semihosting */
    register int r0 __asm__("r0") = what;
    register const void *r1 __asm__("r1") = with;
    __asm__ volatile("bkpt 0xab" : "+r"(r0) : "r"(r1) : "memory");
    return r0;
}
static void start(void) { SYSTICK[1] = 0xffffff; SYSTICK[0] = 5; }
static uint32_t now(void) { return SYSTICK[2]; }
static uint32_t since(uint32_t then) { return ((then - now()) & 0xffffff) * 40; }   /* 25 MHz of 1,000 */
static void put(char c) { call(3, &c); }
static void end(void) { call(0x18, (const void *)0x20026); }

int main(void);
extern const void *const vectors[];
__attribute__((section(".vectors"))) const void *const vectors[] = {(void *)0x20010000, main};
#endif

static void say(uint32_t n) {
    char text[11];
    uint8_t k = 0;
    do { text[k++] = (char)('0' + n % 10); n /= 10; } while (n > 0);
    while (k > 0) put(text[--k]);
    put(' ');
}

int main(void) {
    static int8_t x[DIGITS_Q_INPUTS], out[DIGITS_Q_OUTPUTS];
    uint32_t spent = 0;
    uint8_t same = 0;
    start();
    for (uint8_t i = 0; i < ROWS; ++i) {
        for (uint16_t k = 0; k < DIGITS_Q_INPUTS; ++k) x[k] = (int8_t)(rows[i][k] - 128);
        const uint32_t before = now();
        digits_predict_q(x, out);
        spent += since(before);
        uint8_t equal = 1;
        for (uint8_t k = 0; k < DIGITS_Q_OUTPUTS; ++k) equal &= out[k] == expected[i][k];
        same += equal;
    }
    say(same);
    say(spent / ROWS);
    put('\n');
    end();
    return 0;
}
