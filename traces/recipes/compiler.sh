#!/bin/sh
# traces/compiler.vxt: gcc's C compiler proper at -O2 (Debian 12: gcc 12.2.0, valgrind 3.19.0).
#
#     traces/recipes/compiler.sh VEXIT OUTPUT.vxt
set -eu
vexit=$1 output=$(realpath -m "$2")
here=$(cd "$(dirname "$0")" && pwd)
cc1=$(gcc-12 -print-prog-name=cc1)
version=$(gcc-12 -dumpfullversion)

cat >"$output.c" <<'C'
typedef unsigned long word;
struct node { struct node *left, *right; word key, count; };
enum { NODES = 1024, SLOTS = 256 };
static struct node pool[NODES];
static unsigned used;
static word table[SLOTS];

static struct node *make(word key)
{
    struct node *node = &pool[used++ % NODES];
    node->left = node->right = 0;
    node->key = key;
    node->count = 1;
    return node;
}

struct node *insert(struct node *root, word key)
{
    struct node **at = &root;
    while (*at && (*at)->key != key) at = key < (*at)->key ? &(*at)->left : &(*at)->right;
    if (*at) (*at)->count++;
    else *at = make(key);
    return root;
}

word sum(const struct node *node)
{
    return node ? node->count * node->key + sum(node->left) + sum(node->right) : 0;
}

void sift(word *heap, unsigned at, unsigned size)
{
    for (unsigned child; (child = 2 * at + 1) < size; at = child) {
        if (child + 1 < size && heap[child] < heap[child + 1]) child++;
        if (heap[at] >= heap[child]) return;
        word swap = heap[at];
        heap[at] = heap[child];
        heap[child] = swap;
    }
}

void sort(word *heap, unsigned size)
{
    for (unsigned i = size / 2; i-- > 0;) sift(heap, i, size);
    while (size-- > 1) {
        word swap = heap[0];
        heap[0] = heap[size];
        heap[size] = swap;
        sift(heap, 0, size);
    }
}

word hash(const unsigned char *text, unsigned long bytes)
{
    word value = 1469598103934665603u;
    for (unsigned long i = 0; i < bytes; i++) value = (value ^ text[i]) * 1099511628211u;
    return value;
}

void multiply(double *restrict c, const double *restrict a, const double *restrict b, int n)
{
    for (int i = 0; i < n; i++)
        for (int k = 0; k < n; k++)
            for (int j = 0; j < n; j++) c[i * n + j] += a[i * n + k] * b[k * n + j];
}

int classify(int c)
{
    switch (c) {
    case '0': case '1': case '2': case '3': case '4': case '5': case '6': case '7': case '8': case '9': return 1;
    case '+': case '-': case '*': case '/': case '%': return 2;
    case '(': case '[': case '{': return 3;
    case ')': case ']': case '}': return 4;
    default: return c >= 'a' && c <= 'z' ? 5 : 0;
    }
}

int main(void)
{
    struct node *root = 0;
    for (unsigned i = 0; i < SLOTS; i++) {
        unsigned char text[3] = {(unsigned char)i, (unsigned char)(i * 7), (unsigned char)(i * 13)};
        table[i] = hash(text, sizeof text) >> 40;
        root = insert(root, table[i] % 97);
    }
    sort(table, SLOTS);
    return (int)(sum(root) + table[SLOTS / 2]) + classify('+');
}
C
# Left out are 30 million references: the setting up of options, types and built-in functions, and parsing. What is kept
# lies in the optimization passes over the syntax trees, which touch the most pages.
name=$(basename "$output")
(cd "$(dirname "$output")" && "$here/record-lackey.sh" 30000000 5000000 "$name.lackey" "gcc $version" \
    "$cc1" -quiet -O2 "$name.c" -o /dev/null)
"$vexit" trace import --from lackey "$output.lackey" -o "$output"
rm -f "$output.lackey" "$output.c"
