"""Networks that read several labels off one image."""
