#include "vx_addr.h"

#include <assert.h>
#include <string.h>

static const char *const page_size_names[VX_PAGE_SIZES] = {"4k", "2m", "4m", "1g"};

const char *vx_page_size_name(vx_page_size size)
{
    assert(size < VX_PAGE_SIZES);
    return page_size_names[size];
}

bool vx_page_size_parse(const char *word, vx_page_size *size)
{
    for (unsigned i = 0; i < VX_PAGE_SIZES; i++) {
        if (strcmp(word, page_size_names[i]) != 0) continue;
        *size = (vx_page_size)i;
        return true;
    }
    return false;
}
