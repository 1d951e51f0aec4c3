"""Times that are closed: blackouts and absences, one or many, by staff or by other systems."""
