/* SPDX-License-Identifier: Apache-2.0 */
#include "actions/cli/local.h"

int local_check_data(struct local *local, struct bl_err *err)
{
	return bl_spec_data_digest(local->channels, local->n_channels, local->data_digest, err);
}
