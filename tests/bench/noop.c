/* SPDX-License-Identifier: Apache-2.0 */
/* The least that a static program can do: what fork, exec and exit cost by themselves. */
int main(void)
{
	return 0;
}
